-- tables: bids
-- parallelism: 2
SELECT b.id, t.n, t.top FROM bids b LEFT JOIN LATERAL (SELECT COUNT(*) AS n, MAX(price) AS top FROM bids x WHERE x.auction = b.price) AS t ON TRUE;
