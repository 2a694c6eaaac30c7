def report(filled): return ""
