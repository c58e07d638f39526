-- A number of rows and a digest of them in any order.
SELECT count(*), coalesce(sum(hash({columns})::HUGEINT), 0)::VARCHAR FROM {from} WHERE {where}
