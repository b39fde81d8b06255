/*
Every address that an interface had, and when: those that the inventory knows, and of interfaces that it does not know
those that the interface's own records name, always.
*/
SELECT
  interface_id,
  vpc_id,
  unnest(list_concat(private_addresses, ipv6_addresses, public_addresses)) AS address,
  valid_from,
  valid_to
FROM interface_history
WHERE len(list_concat(private_addresses, ipv6_addresses, public_addresses)) > 0
UNION
SELECT
  flows.interface_id,
  max(flows.vpc_id) AS vpc_id,
  flows.local_addr AS address,
  TIMESTAMPTZ '1970-01-01 00:00:00+00' AS valid_from,
  CAST(NULL AS TIMESTAMPTZ) AS valid_to
FROM flows
WHERE flows.local_addr IS NOT NULL
  AND flows.vantage IS NULL
  AND NOT EXISTS (
    SELECT 1
    FROM interfaces AS known
    WHERE known.interface_id = flows.interface_id AND len(known.private_addresses) > 0
  )
GROUP BY flows.interface_id, flows.local_addr
