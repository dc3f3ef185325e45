-- tables: bids
-- parallelism: 2
SELECT b.id, b.price FROM bids b WHERE b.price > (SELECT AVG(price) FROM bids x WHERE x.auction = b.auction);
