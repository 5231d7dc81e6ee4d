PYTHON ?= python3
VENV ?= .venv

.PHONY: quickstart test clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

quickstart: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable .
	$(VENV)/bin/python experiments/run.py --config=experiments/quickstart.py --workdir=runs/quickstart

test: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	$(VENV)/bin/python -m pytest -n 2

clean:
	rm -rf $(VENV) build *.egg-info
