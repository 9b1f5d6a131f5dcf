-- Several people by id and name, in the order given.
CREATE OR REPLACE FUNCTION person_references(people uuid[]) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(json_agg(person_reference(id) ORDER BY n), '[]')
    FROM unnest(people) WITH ORDINALITY AS person(id, n)
$$;
