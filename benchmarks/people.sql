-- Operators of one school, run as the owner. Nobody signs in with a password here: tokens are minted.
WITH person AS (
    INSERT INTO users (id, email, first_name, last_name, status, email_verified, phone_verified, is_super_admin)
    SELECT gen_random_uuid(), gen_random_uuid() || '@example.edu', 'Tess', 'Teacher ' || n, 'active', true, false, false
    FROM generate_series(1, %(people)s) n
    RETURNING id, email
), member AS (
    INSERT INTO user_organizations (user_id, organization_id, role, scope)
    SELECT id, %(organization)s, 'operator', 'organization' FROM person
)
SELECT id, email::text FROM person;
