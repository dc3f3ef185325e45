-- tables: bids
-- note: between two readers, one without a file, a late row may be in time or not
SELECT name, CAST(window_end AS STRING) AS e, COUNT(*) AS n, COUNT(DISTINCT auction) AS d, MIN(price) AS p
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY name, window_start, window_end;
