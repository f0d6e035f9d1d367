-- For people with a shell: nothing in the program reads these, and they store nothing. They work from SQLite 3.40 on.

-- One line per bundle, in the order of spaces and positions. `reader` is one row that walks over the encoded runs: `rest` is
-- what is loaded of the run from byte `at` on; `number` is the integer that is being read until it is `done`, and `field` is
-- what it stands for: the first bundle's seq, a step of time, or the size of a body, doubled, plus one for a void.
CREATE VIEW bundles (space, position, origin, seq, time, void, bytes) AS
WITH RECURSIVE
digits (digit) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8)),
reader (run, length, at, rest, field, done, number, shift, seq, seconds, fraction) AS (
    SELECT 0, 0, 1, x'', 'seq', 0, 0, 0, 0, 0, 0
UNION ALL -- To the next run; its version and origin take 17 bytes.
    SELECT next.id, length(next.run), 18, x'', 'seq', 0, 0, 0, 0, 0, 0
    FROM reader
    JOIN runs AS next ON next.id = (SELECT min(later.id) FROM runs AS later WHERE later.id > reader.run)
    WHERE NOT done AND at > length
UNION ALL -- More of the run is loaded.
    SELECT run, length, at, substr((SELECT whole.run FROM runs AS whole WHERE whole.id = reader.run), at, 4000),
        field, 0, number, shift, seq, seconds, fraction
    FROM reader
    WHERE NOT done AND at <= length AND rest = x''
UNION ALL -- A byte of an integer: seven bits, the lowest first, and whether more follow.
    SELECT run, length, at + 1, substr(rest, 2), field, rest < x'80',
        number | ((16 * instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 1, 1))
            + instr('123456789ABCDEF', substr(hex(substr(rest, 1, 1)), 2, 1)) & 127) << shift),
        shift + 7, seq, seconds, fraction
    FROM reader
    WHERE NOT done AND rest <> x''
UNION ALL -- A seq; 8 bytes of hash follow it, then the time: 4 bytes of seconds and 4 of their fraction.
    SELECT run, length, at + 16, substr(rest, 17), 'size', 0, 0, 0, number,
        (SELECT sum(instr('123456789ABCDEF', substr(hex(substr(rest, 9, 4)), digit, 1)) << 32 - 4 * digit) FROM digits),
        (SELECT sum(instr('123456789ABCDEF', substr(hex(substr(rest, 13, 4)), digit, 1)) << 32 - 4 * digit) FROM digits)
    FROM reader
    WHERE done AND field = 'seq'
UNION ALL -- A step of time.
    SELECT run, length, at, rest, 'size', 0, 0, 0, seq,
        seconds + (number >> 32 & 0xffffffff) + (fraction + (number & 0xffffffff) >> 32),
        fraction + (number & 0xffffffff) & 0xffffffff
    FROM reader
    WHERE done AND field = 'step'
UNION ALL -- The size of a body, or of a void, of which 32 bytes are left. The next bundle's step stands behind it.
    SELECT run, length, at + iif(number & 1, 32, number >> 1),
        ifnull(substr(rest, 1 + iif(number & 1, 32, number >> 1)), x''), 'step', 0, 0, 0, seq + 1, seconds, fraction
    FROM reader
    WHERE done AND field = 'size'
)
SELECT
    spaces.name,
    (runs.id & 0xffffffffff) - (runs.seq - reader.seq),
    lower(hex(heads.origin)),
    reader.seq,
    strftime('%Y-%m-%dT%H:%M:%S', seconds, 'unixepoch') || printf('.%03dZ', fraction * 1000 >> 32),
    number & 1,
    number >> 1
FROM reader
CROSS JOIN runs ON runs.id = reader.run
CROSS JOIN heads ON heads.id = runs.head
CROSS JOIN spaces ON spaces.id = heads.space
WHERE done AND field = 'size';

-- One line per attribute that has a value. The key is the entity, a zero byte, the attribute; the row is the stamp of the
-- latest operation (26 bytes, the first 8 its time) and the value as JSON, which ends at the row's end or at a zero byte.
CREATE VIEW attributes (space, entity, attribute, value, time) AS
WITH
digits (digit) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8)),
found (space, key, border, json, seconds, fraction) AS (
    SELECT spaces.name, rows.key, instr(rows.key, x'00'),
        CAST(substr(rows.value, 27, ifnull(nullif(instr(substr(rows.value, 27), x'00'), 0) - 1, length(rows.value))) AS TEXT),
        (SELECT sum(instr('123456789ABCDEF', substr(hex(rows.value), digit, 1)) << 32 - 4 * digit) FROM digits),
        (SELECT sum(instr('123456789ABCDEF', substr(hex(rows.value), 8 + digit, 1)) << 32 - 4 * digit) FROM digits)
    FROM views
    JOIN spaces ON spaces.id = views.space
    JOIN rows ON rows.view = views.id
    WHERE views.name = 'attributes@1'
)
SELECT
    space,
    CAST(substr(key, 1, border - 1) AS TEXT),
    CAST(substr(key, border + 1) AS TEXT),
    json,
    strftime('%Y-%m-%dT%H:%M:%S', seconds, 'unixepoch') || printf('.%03dZ', fraction * 1000 >> 32)
FROM found
WHERE json <> '';
