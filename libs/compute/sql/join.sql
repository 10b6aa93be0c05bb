CREATE UNLOGGED TABLE {target} AS
SELECT {columns}
FROM {left} AS l
{left_join} JOIN {pairs} AS p ON p.left_row = l.ctid
{right_join} JOIN {right} AS r ON r.ctid = p.right_row
ORDER BY {order}
