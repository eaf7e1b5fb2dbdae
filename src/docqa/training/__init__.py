"""Making reader models: data in SQuAD's format, fine-tuning that survives being killed, reader folders."""
