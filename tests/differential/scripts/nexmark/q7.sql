-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT b.auction, b.price, b.bidder, CAST(b.dateTime AS STRING) AS t, b.extra FROM bid b
JOIN (
  SELECT MAX(price) AS maxprice, window_end AS dateTime
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end) top
ON b.price = top.maxprice
WHERE b.dateTime BETWEEN top.dateTime - INTERVAL '10' SECOND AND top.dateTime;
