CREATE UNLOGGED TABLE {target} AS
SELECT {columns}
FROM ({sources}) AS source
{order}
