-- A person by id and name; 'Unknown' when the row is gone.
CREATE OR REPLACE FUNCTION person_reference(person uuid) RETURNS json LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT json_build_object('id', person, 'name', coalesce(
        (SELECT left(coalesce(nullif(trim(concat_ws(' ', u.first_name, u.last_name)), ''), u.email), 200)
         FROM users u WHERE u.id = person), 'Unknown'))
$$;
