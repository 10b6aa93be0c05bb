CREATE UNLOGGED TABLE {target} AS
SELECT {columns}
FROM (
    SELECT *, {placed} AS placed, ctid AS {row}, TRUE AS can_repair
    FROM {table}
) AS source
{repair}
ORDER BY source.{row}
