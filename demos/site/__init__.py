"""The site: the gallery of the chapters, and the pages that are generated from code and claims."""
