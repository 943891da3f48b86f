"""Reads pages with the parser of the stock Prometheus client, and prints what it found in each as a line of JSON.

Usage: read.py URL...
"""

import json
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def main():
    for url in sys.argv[1:]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        families = {}
        samples = 0
        for family in text_string_to_metric_families(text):
            if family.name in families:
                sys.exit(f"{url}: {family.name} is there twice")
            if not family.documentation:
                sys.exit(f"{url}: {family.name} has no help")
            families[family.name] = family.type
            samples += len(family.samples)
        print(json.dumps({"url": url, "families": families, "samples": samples}))


main()
