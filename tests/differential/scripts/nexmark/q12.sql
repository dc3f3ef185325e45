-- tables: nexmark
-- unchecked: windows of processing time close by the machine's clock, and not at all when bounded input ends first
CREATE VIEW timed AS SELECT *, PROCTIME() AS p_time FROM bid;
SELECT bidder, COUNT(*) AS bid_count, CAST(window_start AS STRING) AS s, CAST(window_end AS STRING) AS e
FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
