-- name: schema_number()^
SELECT user_version FROM pragma_user_version;
