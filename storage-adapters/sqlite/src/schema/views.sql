-- For people with a shell; nothing in the program reads these. They work from SQLite 3.40 on and store nothing.

-- One line per bundle, in the order of space and position: runs are unpacked byte by byte. `reader` holds one row at a time:
-- `rest` is what is loaded of the run from byte `at` on, `number` the integer being read, `field` what that integer is:
-- the first bundle's `seq`, a `step` of time, or the `size` of a body, doubled, plus one for a void.
CREATE VIEW bundles (space, position, origin, seq, time, void, bytes) AS
WITH RECURSIVE
digits (digit) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8)),
reader (run, length, at, rest, field, shift, number, seq, seconds, fraction) AS (
    SELECT 0, 0, 1, x'', 'seq', 0, 0, 0, 0, 0
    UNION ALL -- The next run: its version and origin take 17 bytes.
    SELECT next.id, length(next.run), 18, x'', 'seq', 0, 0, 0, 0, 0
    FROM reader JOIN runs AS next ON next.id = (SELECT min(later.id) FROM runs AS later WHERE later.id > reader.run)
    WHERE at > length AND field <> 'bundle'
    UNION ALL -- More of the run.
    SELECT run, length, at, substr((SELECT whole.run FROM runs AS whole WHERE whole.id = reader.run), at, 4000),
        field, shift, number, seq, seconds, fraction
    FROM reader
    WHERE at <= length AND field <> 'bundle' AND rest = x''
    UNION ALL -- A byte of an integer that goes on.
    SELECT run, length, at + 1, substr(rest, 2), field, shift + 7,
        number | (instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 1, 1)) - 8 << shift + 4)
            | (instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 2, 1)) << shift),
        seq, seconds, fraction
    FROM reader
    WHERE rest >= x'80' AND field <> 'bundle'
    UNION ALL -- An integer's last byte. Behind the first bundle's seq stand 8 bytes of hash and 8 of time.
    SELECT run, length, at + iif(field = 'seq', 17, 1), substr(rest, iif(field = 'seq', 18, 2)),
        CASE field WHEN 'size' THEN 'bundle' ELSE 'size' END, 0,
        iif(field = 'size', number | (instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 1, 1)) << shift + 4)
            | (instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 2, 1)) << shift), 0),
        seq, seconds, fraction
    FROM reader
    WHERE rest < x'80' AND rest <> x'' AND field <> 'bundle'
)
SELECT 1, 2, 3, 4, 5, 6, 7;
