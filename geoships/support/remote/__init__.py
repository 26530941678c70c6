"""Files in object stores (S3, Google Cloud Storage, Azure Blob Storage) and on servers that take files."""
