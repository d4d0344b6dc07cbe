"""When and how many: a Prefect flow a file, one deployment each; `in_process` runs one inside a program.

The rules stand in assetmill.
"""
