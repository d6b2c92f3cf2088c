"""The `blobio` command beside s5cmd, rclone and the AWS CLI, each as whole processes."""
