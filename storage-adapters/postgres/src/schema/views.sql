-- For people with a shell: nothing in the program reads these views.

-- The bundles of an encoded run. `field` is what the integer that is read next stands for: the first bundle's seq, a step of
-- time, or the size of a body, doubled, plus one for a void.
CREATE FUNCTION run_bundles(run bytea, OUT seq bigint, OUT at timestamptz, OUT void boolean, OUT bytes integer)
RETURNS SETOF record LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    next   integer := 17; -- the byte that is read next; version and origin lie before it
    field  text := 'seq';
    time   numeric := 0;
    number numeric;
    factor numeric;
    digit  integer;
BEGIN
    run := run || ''::bytea; -- unpacks it once, not for every byte
    WHILE next < octet_length(run) LOOP
        number := 0;
        factor := 1;
        LOOP
            digit := get_byte(run, next);
            number := number + (digit & 127) * factor;
            factor := factor * 128;
            next := next + 1;
            EXIT WHEN digit < 128;
        END LOOP;
        IF field = 'seq' THEN
            seq := number;
            FOR place IN 8..15 LOOP -- behind 8 bytes of hash
                time := time * 256 + get_byte(run, next + place);
            END LOOP;
            next := next + 16;
            field := 'size';
        ELSIF field = 'step' THEN
            time := time + number;
            field := 'size';
        ELSE
            at := to_timestamp((time / 4294967296)::double precision);
            void := number % 2 = 1;
            bytes := div(number, 2);
            next := next + CASE WHEN void THEN 32 ELSE bytes END; -- a void's digest is left
            RETURN NEXT;
            seq := seq + 1;
            field := 'step';
        END IF;
    END LOOP;
END $$;

-- One line per bundle.
CREATE VIEW bundles AS
SELECT
    runs.space,
    runs.last - runs.seq + bundle.seq AS position,
    encode(runs.origin, 'hex') AS origin,
    bundle.seq,
    bundle.at,
    bundle.void,
    bundle.bytes
FROM runs CROSS JOIN LATERAL run_bundles(runs.run) AS bundle;

-- UTF-8 as text, NULL where it is none. Rows are indexed by it, so it must never fail.
CREATE FUNCTION text_of(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    escaped text := encode(bytes, 'escape');
BEGIN
    IF position('\' IN escaped) = 0 THEN
        RETURN escaped; -- plain ASCII
    END IF;
    BEGIN
        RETURN convert_from(bytes, 'UTF8');
    EXCEPTION WHEN data_exception THEN
        RETURN NULL;
    END;
END $$;

-- JSON text as a value, NULL where jsonb cannot hold it: it knows no character NUL.
CREATE FUNCTION json_of(bytes bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- An NTP64 time, big-endian.
CREATE FUNCTION time_of(ntp64 bytea) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_timestamp(
        ((get_byte(ntp64, 0)::bigint << 24) + (get_byte(ntp64, 1) << 16) + (get_byte(ntp64, 2) << 8) + get_byte(ntp64, 3))
        + ((get_byte(ntp64, 4)::bigint << 24) + (get_byte(ntp64, 5) << 16) + (get_byte(ntp64, 6) << 8) + get_byte(ntp64, 7))
            / 4294967296.0)
$$;

-- For look-ups by entity in the view below. Nothing else needs it: who never looks may drop it and write new rows faster.
CREATE INDEX rows_by_entity ON rows
    (space, (text_of(substring(key FROM 1 FOR nullif(position('\x00'::bytea IN key), 0) - 1)) COLLATE "C"))
WHERE view = 'attributes@1';

-- One line per attribute that has a value. A row's key is the entity, a zero byte, the attribute; its value is the stamp of the
-- latest operation (26 bytes, the first 8 its time) and the value as JSON, which ends at the row's end or at a zero byte.
CREATE VIEW attributes AS
SELECT
    rows.space,
    text_of(substring(key FROM 1 FOR nullif(position('\x00'::bytea IN key), 0) - 1)) COLLATE "C" AS entity,
    text_of(substring(key FROM nullif(position('\x00'::bytea IN key), 0) + 1)) COLLATE "C" AS attribute,
    json_of(part.json) AS value,
    time_of(substring(rows.value FROM 1 FOR 8)) AS at
FROM rows
CROSS JOIN LATERAL (SELECT substring(rows.value FROM 27) AS bytes) AS rest
CROSS JOIN LATERAL (
    SELECT CASE position('\x00'::bytea IN rest.bytes)
        WHEN 0 THEN rest.bytes
        ELSE substring(rest.bytes FROM 1 FOR position('\x00'::bytea IN rest.bytes) - 1)
    END AS json
) AS part
WHERE rows.view = 'attributes@1' AND octet_length(part.json) > 0;
