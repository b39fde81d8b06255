/*
Workloads that send by ways which no flow log of the customer sees, however it is set up: `since` (in it) to `until` (not
in it; null: they still do), and `why`. Those that only start others (tuning jobs) or live in others (apps) are not told
twice. A job that began and ended between two looks is among these.
*/
SELECT kind AS workload_kind, name AS workload, arn AS workload_arn, account_id, region, why, since, until
FROM (
  SELECT
    *,
    CASE WHEN running THEN valid_from ELSE created_at END AS since,
    CASE WHEN running THEN valid_to ELSE ended_at END AS until,
    CASE WHEN kind = 'domain' AND internet = 'direct' THEN 'PublicInternetOnly: its apps reach the internet by SageMaker'
      WHEN kind = 'notebook_instance' AND internet = 'direct'
        THEN 'direct internet access: by an interface of SageMaker''s own'
      WHEN kind = 'endpoint' AND instances IS NULL AND status = 'InService' THEN 'serverless: it has no interface'
      WHEN len(vpc_configs) = 0 AND kind <> 'domain' THEN 'no VpcConfig: it has no interface in a VPC of yours'
      END AS why
  FROM workload_history
  WHERE kind NOT IN (
      'app', 'user_profile', 'space', 'inference_component', 'hyper_parameter_tuning_job', 'auto_ml_job', 'labeling_job',
      'monitoring_schedule', 'workforce', 'model', 'endpoint_config', 'data_quality_job_definition',
      'model_quality_job_definition', 'model_bias_job_definition', 'model_explainability_job_definition'
    )
) AS judged
WHERE why IS NOT NULL AND since IS NOT NULL AND (running OR since < until)
