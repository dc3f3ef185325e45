-- tables: bids
-- note: between two readers, one without a file, a late row may be in time or not
SELECT CAST(window_end AS STRING) AS e, auction, name, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, GROUPING SETS ((auction), (name), ());
