"""Jobs made of several parts: demonstration, cross-validation, export, chips and studies."""
