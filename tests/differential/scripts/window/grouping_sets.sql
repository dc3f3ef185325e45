-- tables: bids
-- parallelism: 2
SELECT CAST(window_end AS STRING) AS e, auction, name, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, GROUPING SETS ((auction), (name), ());
