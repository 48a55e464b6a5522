"""Asks every query of docs/book/src/analysis.md of a run's Parquet files.

python analysis.py FOLDER PAGE: a JSON list on standard output, for each query its title, its columns
and its rows.
"""

import json
import os
import re
import sys

import duckdb


def main():
    folder, page = sys.argv[1:]
    with open(page, encoding="utf-8") as file:
        text = file.read()
    os.chdir(folder)
    answers = []
    for section in text.split("\n## ")[1:]:
        for query in re.findall(r"```sql\n(.*?)```", section, re.DOTALL):
            relation = duckdb.sql(query)
            answers.append(
                {
                    "title": section.splitlines()[0],
                    "columns": relation.columns,
                    "rows": [[str(field) for field in row] for row in relation.fetchall()],
                }
            )
    print(json.dumps(answers))


main()
