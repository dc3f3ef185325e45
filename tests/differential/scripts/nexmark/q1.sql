-- tables: nexmark
-- parallelism: 1 2
SELECT auction, bidder, CAST(0.908 * price AS STRING) AS price, CAST(dateTime AS STRING) AS t, extra FROM bid;
