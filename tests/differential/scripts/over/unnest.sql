CREATE TABLE bids (id BIGINT, auction BIGINT, price INT, name STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '$DATA/bids.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL');
SELECT id, x, o FROM bids CROSS JOIN UNNEST(ARRAY[price, CAST(auction AS INT)]) AS u(x) LEFT JOIN UNNEST(MAP['a', id]) AS m(k, o) ON TRUE;
