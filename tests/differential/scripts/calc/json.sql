-- tables: bids
-- parallelism: 2
SELECT id, js IS JSON AS a, js IS NOT JSON OBJECT AS b, JSON_EXISTS(js, '$.n' FALSE ON ERROR) AS c,
  JSON_VALUE(js, '$.n' RETURNING STRING NULL ON EMPTY NULL ON ERROR) AS d,
  JSON_VALUE(js, '$.x' DEFAULT 'none' ON EMPTY DEFAULT 'bad' ON ERROR) AS e,
  JSON_VALUE(js, 'lax $.x' DEFAULT 'none' ON EMPTY DEFAULT 'bad' ON ERROR) AS e2,
  JSON_QUERY(js, '$.p' WITH UNCONDITIONAL ARRAY WRAPPER) AS f,
  JSON_QUERY(js, '$.x' EMPTY OBJECT ON EMPTY NULL ON ERROR) AS g,
  JSON_OBJECT(KEY 'k' VALUE name, 'p' VALUE price ABSENT ON NULL) AS h,
  JSON_ARRAY(name, price NULL ON NULL) AS i
FROM (SELECT *, '{"n": "' || name || '", "p": ' || CAST(price AS STRING) || '}' AS js FROM bids);
