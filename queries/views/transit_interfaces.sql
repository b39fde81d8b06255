/*
Interfaces that pass on other interfaces' traffic: NAT gateways, transit gateways, endpoints, load balancers, appliances
that routes lead to. One record that betrays such a recorder (`vantage`, see the field's meaning) is enough: its other
records look like those of a workload, and counting them would count the same bytes twice. The inventory may know it
too, even if it came to know it only after the records were collected.
*/
SELECT interface_id
FROM flows
WHERE vantage IS NOT NULL
  AND interface_id IS NOT NULL
UNION
SELECT interface_id
FROM interfaces
WHERE owner IN (
    'nat_gateway', 'transit_gateway', 'vpc_endpoint', 'gateway_load_balancer_endpoint', 'network_load_balancer'
  )
