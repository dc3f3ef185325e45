-- tables: nexmark
-- parallelism: 1 2
SELECT auction, bidder, price, CAST(dateTime AS STRING) AS t, extra FROM bid;
