-- refused: RANK and DENSE_RANK are no Top-N in streaming
-- tables: bids
SELECT auction, id FROM (SELECT *, DENSE_RANK() OVER (PARTITION BY auction ORDER BY price DESC, id) AS rn FROM bids) WHERE rn <= 3;
