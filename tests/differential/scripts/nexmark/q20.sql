-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT auction, bidder, price, channel, url, CAST(b.dateTime AS STRING) AS bt, b.extra AS be,
  itemName, description, initialBid, reserve, CAST(a.dateTime AS STRING) AS t,
  CAST(expires AS STRING) AS x, seller, category, a.extra AS ae
FROM bid AS b INNER JOIN auction AS a ON b.auction = a.id WHERE a.category = 10;
