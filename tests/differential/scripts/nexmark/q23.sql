-- tables: nexmark
-- parallelism: 1 2
-- mini-batch: both
SELECT bidder, price, channel, url, b.extra AS be, p.id, name, emailAddress, creditCard, city, state,
  p.extra AS pe, itemName, description, initialBid, reserve, CAST(a.dateTime AS STRING) AS t,
  CAST(expires AS STRING) AS x, seller, category, a.extra AS ae
FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder;
