PYTHON ?= python3
VENV ?= .venv

.PHONY: quickstart test parity faults clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

quickstart: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable .
	$(VENV)/bin/python experiments/run.py --config=experiments/quickstart.py --workdir=runs/quickstart

test: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	$(VENV)/bin/python -m pytest -n 2

parity:
	$(PYTHON) -m venv .venv-parity
	.venv-parity/bin/python -m pip install --quiet --editable '.[torch,text,parity]'
	.venv-parity/bin/python tests/parity/subjects/write.py build/parity/subjects
	.venv-parity/bin/python tests/parity/subjects/compare.py build/parity/subjects
	.venv-parity/bin/python tests/parity/dictionaries/peers/write.py build/parity/dictionaries
	.venv-parity/bin/python tests/parity/dictionaries/table.py build/parity/dictionaries
	.venv-parity/bin/python tests/parity/formats/libraries_side.py write build/parity/theirs
	.venv-parity/bin/python tests/parity/formats/saex_side.py read build/parity/theirs
	.venv-parity/bin/python tests/parity/formats/saex_side.py write build/parity/ours
	.venv-parity/bin/python tests/parity/formats/libraries_side.py read build/parity/ours

# 200 faults in real runs; rewrites docs/faults.md and docs/faults.json
faults: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable .
	$(VENV)/bin/python -m tests.faults.harness --count=200 --out=docs

clean:
	rm -rf $(VENV) .venv-parity build *.egg-info
