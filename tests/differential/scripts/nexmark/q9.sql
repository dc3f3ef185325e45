-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT id, itemName, description, initialBid, reserve, CAST(dateTime AS STRING) AS t,
  CAST(expires AS STRING) AS x, seller, category, extra, auction, bidder, price,
  CAST(bid_dateTime AS STRING) AS bt, bid_extra
FROM (
  SELECT a.*, b.auction, b.bidder, b.price, b.dateTime AS bid_dateTime, b.extra AS bid_extra,
    ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.dateTime ASC) AS rownum
  FROM auction a, bid b
  WHERE a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires)
WHERE rownum <= 1;
