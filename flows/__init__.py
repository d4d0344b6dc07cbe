"""When and how many: a Prefect flow a file, one deployment each. The rules stand in assetmill."""
