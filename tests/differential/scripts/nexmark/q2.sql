-- tables: nexmark
-- parallelism: 1 2
SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
