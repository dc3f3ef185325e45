-- tables: nexmark
-- parallelism: 1 2
SELECT own.auction, own.num FROM (
  SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end) own
JOIN (
  SELECT MAX(counted.num) AS maxn, counted.starttime, counted.endtime FROM (
    SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end) counted
  GROUP BY counted.starttime, counted.endtime) most
ON own.starttime = most.starttime AND own.endtime = most.endtime AND own.num >= most.maxn;
