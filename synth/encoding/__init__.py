"""Pure encoders, steered by the schema and by measurements that were paid for: values to codes and back."""
