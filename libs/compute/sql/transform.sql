CREATE UNLOGGED TABLE {target} AS
SELECT {columns}
FROM ({sources}) AS source
{repair}
ORDER BY {order}
