-- tables: bids
-- note: between two readers, one without a file, a late row may be in time or not
SELECT id FROM (SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))) l
WHERE l.auction IN (SELECT CAST(price AS BIGINT) FROM (SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))) r
  WHERE l.window_start = r.window_start AND l.window_end = r.window_end);
