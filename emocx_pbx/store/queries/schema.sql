-- name: schema_number()$ on sqlite
SELECT user_version FROM pragma_user_version;

-- name: schema_number()$ on postgresql
SELECT MAX(number) FROM emocx_schema;
