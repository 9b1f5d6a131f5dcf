-- Operators of one school, run as the owner. Nobody signs in with a password here: tokens are minted.
WITH person AS (
    INSERT INTO users (id, email, first_name, last_name, status, email_verified, phone_verified, is_super_admin)
    SELECT gen_random_uuid(), gen_random_uuid() || '@example.edu', 'Tess', 'Teacher ' || n, 'active', true, false, false
    FROM generate_series(1, %(people)s) n
    RETURNING id, email
), member AS (
    INSERT INTO user_organizations (user_id, organization_id, role, scope)
    SELECT id, %(organization)s, 'operator', 'organization' FROM person
), sign_in AS (
    INSERT INTO sign_ins (id, user_id, kind, device, created_at, used_at, expires_at)
    SELECT gen_random_uuid(), id, 'app', 'A screen', now(), now(), now() + interval '1 day' FROM person
    RETURNING id, user_id
)
SELECT p.id, p.email::text, s.id FROM person p JOIN sign_in s ON s.user_id = p.id;
