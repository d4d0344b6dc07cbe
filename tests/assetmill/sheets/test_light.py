import subprocess
import sys


def test_what_plans_need_of_sheets_loads_no_image_library() -> None:
    script = (
        "import sys; import assetmill.sheets, assetmill.sheets.model; "
        "print(sorted({'numpy', 'scipy', 'PIL', 'rectpack'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
