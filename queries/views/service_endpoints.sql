/*
Which VPC endpoint serves the addresses of an AWS service, by its code in flow logs and in AWS's ranges: the last part
of the endpoint's name, as in com.amazonaws.us-east-1.execute-api. Null: whichever, the code stands for many services.
*/
SELECT code, endpoint
FROM (
  VALUES
    ('AMAZON', NULL),
    ('AMAZON_APPFLOW', 'appflow'),
    ('API_GATEWAY', 'execute-api'),
    ('AURORA_DSQL', 'dsql'),
    ('CODEBUILD', 'codebuild'),
    ('DYNAMODB', 'dynamodb'),
    ('EBS', 'ebs'),
    ('EFS', 'elasticfilesystem'),
    ('S3', 's3')
) AS known(code, endpoint)
