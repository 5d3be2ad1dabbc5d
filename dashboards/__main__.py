"""Write the built files into deploy/."""

from dashboards import build

if __name__ == "__main__":
    build.write()
