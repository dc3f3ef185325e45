-- tables: bids
-- note: between two readers, one without a file, a late row may be in time or not
CREATE VIEW small AS SELECT auction, window_time AS rt, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY auction, window_start, window_end, window_time;
SELECT CAST(window_end AS STRING) AS e, SUM(n) AS n, MAX(n) AS m
FROM TABLE(TUMBLE(TABLE small, DESCRIPTOR(rt), INTERVAL '15' SECOND)) GROUP BY window_start, window_end;
