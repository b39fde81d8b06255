/*
Interfaces that pass on other interfaces' traffic: NAT gateways, transit gateways, endpoints, load balancers.
One record that betrays such a recorder (`vantage`, see the field's meaning) is enough: its other records look like
those of a workload, and counting them would count the same bytes twice.
*/
SELECT DISTINCT interface_id
FROM flows
WHERE vantage IS NOT NULL
  AND interface_id IS NOT NULL
