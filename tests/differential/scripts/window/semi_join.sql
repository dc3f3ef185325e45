-- tables: bids
-- parallelism: 2
SELECT id FROM (SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))) l
WHERE l.auction IN (SELECT CAST(price AS BIGINT) FROM (SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))) r
  WHERE l.window_start = r.window_start AND l.window_end = r.window_end);
